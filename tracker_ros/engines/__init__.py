"""Runs an exported network: ONNX Runtime here, TensorRT and torch beside it."""
