"""The front-ends: thin, each identity → decode → router → encode, none with logic of its own."""
