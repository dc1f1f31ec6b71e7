"""WebSockets under /ws: chat, models and figures as they change. docs/websocket.md is the manual."""
