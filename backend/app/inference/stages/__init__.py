"""The steps between a front-end and a provider, one a file; app.bootstrap shows their order."""
