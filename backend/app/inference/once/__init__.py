"""One answer for all requests that carry one Idempotency-Key."""
