#include "chunker/tokens_tables.h"

/* The file is the struct: nothing is parsed, and the compiler has no ten megabytes to read. */
__asm__(".pushsection .rodata, \"a\", @progbits\n"
        ".balign 64\n"
        ".globl tokens_tables\n"
        ".hidden tokens_tables\n"
        ".type tokens_tables, @object\n"
        "tokens_tables:\n"
        ".incbin \"" TOKENS_TABLES_FILE "\"\n"
        ".size tokens_tables, . - tokens_tables\n"
        ".popsection\n");
