"""The Gradio interface as an ASGI application, below a path of another server."""
