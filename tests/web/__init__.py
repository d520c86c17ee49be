"""The web app and the pieces for other pages: their own tests, run by Node and in a browser."""
