"""Models as Hugging Face keeps them (safetensors, or PyTorch's own files), made into GGUF without torch.

`python -m app.integrations.model_platforms.local_models.conversion FOLDER TARGET FILE…` does one and ends; the
platform starts that as a process of its own (../conversions.py). What a file says of itself is checked before it
is used: safetensors_file.py, torch_file.py, config.py. Which tensor goes where: plan.py. Nothing here runs
anything that a file says.
"""
