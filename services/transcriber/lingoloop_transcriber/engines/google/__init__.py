"""`google`: Google Cloud's Speech-to-Text, version 2, by Google's own client."""
