"""Reading, streaming, writing and drawing video; the only room that knows PyAV."""
