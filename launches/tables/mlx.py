"""Options of mlx-lm's programs (0.32.2: server.py, generate.py, chat.py, benchmark.py) and of mlx-vlm's (0.7.10)."""

COMMON = """
--model N
--adapter-path N
--trust-remote-code
--max-tokens -m N
--prefill-step-size N
--max-kv-size N
--kv-bits N
--kv-group-size N
--quantized-kv-start N
--draft-model N
--num-draft-tokens N
--temp --temperature N
--top-p N
--top-k N
--min-p N
--seed N
"""

SERVER = """
--host N
--port N
--allowed-origins N
--chat-template N
--chat-template-args N
--use-default-chat-template
--log-level N
--pipeline
--decode-concurrency N
--prompt-concurrency N
--prompt-cache-size N
--prompt-cache-bytes N
--cache-limit-gb N
"""

GENERATE = """
--prompt -p N
--prefill-response N
--image N...
--prompt-cache-file N
--system-prompt --system N
--extra-eos-token N...
--eos-token N
--eos-tokens N...
--ignore-chat-template
--use-default-chat-template
--chat-template-config N
--min-tokens-to-keep N
--quantize-activations -qa
--verbose [N]
--xtc-probability N
--xtc-threshold N
--pipeline
--cache-limit-gb N
--colorize
"""

BENCHMARK = """
--prompt-tokens -p N
--generation-tokens -g N
--batch-size -b N
--num-trials -n N
--delay N
--pipeline
--quantize-activations -qa
"""

VISION = """
--host N
--port N
--model-dir N
--api-key N
--audio N...
--video N...
--image N...
--image-model N
--stt-model N
--tts-model N
--embedding-model N
--reranker-model N
--decision-model N
--prompt-expansion-model N
--draft-kind N
--draft-block-size N
--enable-thinking
--thinking-budget N
--thinking-mode N
--thinking-start-token N
--thinking-end-token --thinking-eos-token N
--expert-cache-gb N
--force-download
--revision N
--kv-quant-scheme N
--kv-key-bits N
--kv-key-scheme N
--kv-value-bits N
--kv-value-scheme N
--max-num-seqs N
--vision-cache-size N
--log-level N
--log-progress-interval N
--reload
--processor-kwargs N
--gen-kwargs N
--resize-shape N...
--min-pixels N
--max-pixels N
--fps N
--num-frames N
--repetition-penalty N
--repetition-context-size N
--presence-penalty N
--frequency-penalty N
--skip-special-tokens
--top-logprobs-k N
--chat
--block-length N
--diffusion-full-canvas
--diffusion-max-canvas-length N
--diffusion-min-canvas-length N
--diffusion-sampler N
--editing-threshold N
--frequency-context-size N
--presence-context-size N
--guidance N
--last-image N
--max-denoising-steps N
--max-post-steps N
--max-transfer-per-step N
--min-threshold N
--num-to-transfer N
--output N
--output-modality N
--reference N
--size N
--stability-steps N
--steps N
--task N
--threshold N
--video-max-frames N
--workflow N
"""
