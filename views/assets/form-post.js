// Goes on to the app at once; without scripts a person presses the button. Written for browsers of any age.
document.forms[0].submit();
