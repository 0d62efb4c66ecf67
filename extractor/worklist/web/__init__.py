"""The pages of the worklist.

``app`` puts them together, ``security`` says who may see which, ``visit`` is what a page
knows of the browser that asks for it. Every page is made here and works without script;
a module for each, ``entrance``, ``queue``, ``note``, ``trail``, ``people`` and ``settings``.
"""
