"""Whose platform it is: keys, who may do what with them, and the log of who did what. One folder a resource.

What needs SQLAlchemy (tables, repositories, services) is loaded on first use, never by a start.
"""
