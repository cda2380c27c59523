"""Builder of the detector that ships with the suite: `python -m tools detector DATA --work FOLDER`.

DATA holds `speech_pairs` and `demo_clips`; the encoder is the package's own. The vocoder copies need the packages of
`tools/starter/requirements.txt`. One core makes the embeddings in about 15 minutes, the rest in two.
"""
