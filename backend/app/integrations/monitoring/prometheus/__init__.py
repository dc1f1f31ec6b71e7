"""Metrics for Prometheus: what is counted of each call, what is seen at a scrape, and the text that shows both.

calls.py and events.py count onto a shelf.py; room.py adds up the shelves of all processes; sight.py, process.py
and gpu.py look at what is there now; families.py has the name of everything, and exposition.py writes it out.
"""
