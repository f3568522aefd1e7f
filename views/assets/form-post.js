// Goes on to the app at once; without scripts a person presses the button.
document.forms[0].submit();
