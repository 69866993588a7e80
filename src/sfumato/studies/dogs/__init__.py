"""The convolutional autoencoder of the course, on photographs."""
