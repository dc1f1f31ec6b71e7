"""The gRPC front-end: protos/ is its contract and reference. The integration is front_end.py."""
