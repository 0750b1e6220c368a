"""Where root file systems come from: images, contexts, files of the web, git repositories."""
