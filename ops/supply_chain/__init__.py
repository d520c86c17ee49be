"""What comes with the code: known faults, secrets, licences."""
