"""The model of voices, as data: `voices.onnx`. What it takes and gives is in the README."""
