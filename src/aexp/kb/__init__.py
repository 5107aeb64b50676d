"""The kb room."""
