"""Supervised fine-tuning on cleaned rows: settings in, adapter, merged model and card out."""
