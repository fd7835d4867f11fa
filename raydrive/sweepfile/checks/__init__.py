"""What a user should know about a sweep file that the schema accepts."""
