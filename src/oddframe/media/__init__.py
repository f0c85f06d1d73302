"""Reading and rendering video; the only room that knows PyAV."""
