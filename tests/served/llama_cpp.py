"""Serves a GGUF file by llama.cpp on a free port until standard input ends: `llama_cpp.py FILE SLOTS`.

Prints the address. Needs the package xllamacpp, which holds llama.cpp's own server.
"""

import sys

import xllamacpp


def main() -> None:
    path, slots = sys.argv[1], int(sys.argv[2])
    settings = xllamacpp.CommonParams()
    settings.model.path = path
    settings.n_parallel = slots
    settings.n_ctx = 4096 * slots
    settings.port = 0
    # Its threads wait for each other by spinning, which is slow on a machine that is busy.
    settings.cpuparams.n_threads = 1
    settings.cpuparams_batch.n_threads = 1
    # Sums in another order would be another rounding of the same file.
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
