"""Write a receipt of the code, data and files behind a folder of results, and verify it."""
