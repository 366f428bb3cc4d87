"""What a folder of results was made of, in a receipt; and whether it still holds."""
