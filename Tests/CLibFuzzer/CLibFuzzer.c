#include "CLibFuzzer.h"

// Weak: an executable without libFuzzer links too, and replays inputs.
extern __attribute__((weak)) int LLVMFuzzerRunDriver(int *, char ***, libfuzzer_one);
extern __attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *, size_t, size_t);

// Set once, before libFuzzer runs.
static libfuzzer_repair repair_input;

bool libfuzzer_is_there(void) { return LLVMFuzzerRunDriver != NULL; }

int libfuzzer_run(int argc, char **argv, libfuzzer_one one, libfuzzer_repair repair) {
    if (!libfuzzer_is_there()) return -1;
    repair_input = repair;
    return LLVMFuzzerRunDriver(&argc, &argv, one);
}

// libFuzzer finds this by its name. One mutation in eight stays broken, so that refusing is tried as well.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit, unsigned int seed) {
    size = LLVMFuzzerMutate(data, size, limit);
    return repair_input && seed % 8 ? repair_input(data, size) : size;
}
