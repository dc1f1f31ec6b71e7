"""What integrations share. An integration imports this and never another integration."""
