"""Tokens of an identity provider (OpenID Connect): whose they are, and what those may do.

https://openid.net/specs/openid-connect-discovery-1_0.html, https://www.rfc-editor.org/rfc/rfc8725
"""
