"""The worklist: where coders decide what is suggested, and where every decision is kept.

``models`` says what is stored, ``database`` opens it, ``trail`` keeps the history that
nobody can change unseen. ``filing`` puts notes in, ``queue`` hands them out,
``decisions`` and ``asking`` record what coders say and ask, ``people`` who they are,
``learning`` what can be learned from it, ``exports`` what leaves. ``web`` is the page.
"""
