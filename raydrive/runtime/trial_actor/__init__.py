"""The trial actor: holds a reservation and supervises one training process at a time."""
