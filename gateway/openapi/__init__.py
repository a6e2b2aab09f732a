"""The API's reference: an OpenAPI document, written from the project's own tables."""
