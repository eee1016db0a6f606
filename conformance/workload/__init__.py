"""Load: workflows compiled into a plan, run by Locust in its own process, read as samples."""
