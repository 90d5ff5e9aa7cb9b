"""From a request to withdraw a class of a deployed classifier to a model that can be signed off."""
