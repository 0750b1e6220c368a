"""What each verb means, written against the ports in `model/`; one folder a noun.

system > exec > containers > images | networks | volumes > events: a folder imports only those
to its right. No verb knows HTTP, a version, or which driver serves it.
"""
