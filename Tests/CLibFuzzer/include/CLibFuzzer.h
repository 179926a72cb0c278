#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// libFuzzer (https://llvm.org/docs/LibFuzzer.html) as far as it is linked in: contrib/fuzz does, nothing else.

/// Runs one input; returns 0.
typedef int (*libfuzzer_one)(const uint8_t *data, size_t size);

/// Makes a mutated input pass the first check again, a checksum above all; returns its new size.
typedef size_t (*libfuzzer_repair)(uint8_t *data, size_t size);

/// Whether libFuzzer is linked in.
bool libfuzzer_is_there(void);

/// Runs libFuzzer with its arguments, among which argv[0] is the program; returns its exit code. `repair` may be NULL.
int libfuzzer_run(int argc, char **argv, libfuzzer_one one, libfuzzer_repair repair);
