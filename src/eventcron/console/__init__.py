"""The console: pages in a browser that show a deployment. Its server needs the extra ``console``."""
