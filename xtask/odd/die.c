void _start(void) { __builtin_trap(); }
