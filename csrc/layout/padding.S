/* Bytes that nothing executes or reads. Linked among the objects of a library they move what comes after them, code by
   HPYLAB_PADDING_TEXT bytes and data by HPYLAB_PADDING_DATA: a layout of the same code that another linker could have chosen
   (lab/layouts.py). */
    .text
    .skip HPYLAB_PADDING_TEXT
    .data
    .skip HPYLAB_PADDING_DATA
    .section .note.GNU-stack, "", @progbits
