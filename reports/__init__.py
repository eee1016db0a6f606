"""Everything that turns the evidence of a run into something a person or a CI reads.

Only the ledger (`evidence.jsonl`) is read, so every report can be made again at any time.
"""
