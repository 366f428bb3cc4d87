"""Training in several processes: start, collective operations, and a common end."""
