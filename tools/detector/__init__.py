"""Builder of the detector that ships with the suite: `python -m tools detector DATA --work FOLDER`.

DATA holds `speech_pairs`, `demo_clips` and `whisper_tiny_en`. The vocoder copies need the packages of
`tools/starter/requirements.txt`. One core makes the embeddings in about 25 minutes, the rest in half a minute.
"""
