-- Everything of the document.

forget()
