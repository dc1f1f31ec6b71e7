"""Model files of one's own, run inside the platform by llama.cpp: integration.py is the door."""
