"""Builder of the detector that ships with the suite: data, embeddings, head, thresholds, ONNX file."""
