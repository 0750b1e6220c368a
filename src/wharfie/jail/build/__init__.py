"""Tasks of builds: choosing files of a tree, telling their checksum, copying them, hashing layers.

Both trees are hostile: contexts come from clients, root file systems from images. The one worked
in is the worker's root, the other one a descriptor; every path is walked by openat2 within one of
them, and every file is opened relative to its directory and never followed.
"""
