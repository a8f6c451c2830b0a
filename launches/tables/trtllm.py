"""Options of TensorRT-LLM's programs, as of 1.2 to 1.3: tensorrt_llm/commands/serve.py, bench/benchmark/.

EVAL beside SERVE: what commands/eval.py and its tasks (evaluate/) take.
"""

SERVE = """
--tokenizer N
--custom_tokenizer N
--host N
--port N
--backend N
--custom_module_dirs N
--log_level N
--max_beam_width N
--max_batch_size N
--max_num_tokens N
--max_seq_len N
--tensor_parallel_size --tp_size N
--pipeline_parallel_size --pp_size N
--context_parallel_size --cp_size N
--moe_expert_parallel_size --ep_size N
--moe_cluster_parallel_size --cluster_size N
--gpus_per_node N
--free_gpu_memory_fraction --kv_cache_free_gpu_memory_fraction N
--kv_cache_dtype N
--num_postprocess_workers N
--trust_remote_code
--revision N
--config --extra_llm_api_options N
--reasoning_parser N
--tool_parser N
--metadata_server_config_file N
--server_role N
--fail_fast_on_attention_window_too_large
--otlp_traces_endpoint N
--disagg_cluster_uri N
--enable_chunked_prefill
--enable_attention_dp
--media_io_kwargs N
--chat_template N
--served_model_name N
--generation_config N
"""

BENCH = """
--model -m N
--model_path N
--workspace -w N
--log_level N
--revision N
--engine_dir N
--backend N
--config --extra_llm_api_options N
--sampler_options N
--max_batch_size N
--max_num_tokens N
--max_seq_len N
--beam_width N
--free_gpu_memory_fraction --kv_cache_free_gpu_mem_fraction N
--dataset N
--eos_id N
--modality N
--max_input_len N
--num_requests N
--warmup N
--target_input_len N
--target_output_len N
--tensor_parallel_size --tp N
--pipeline_parallel_size --pp N
--moe_expert_parallel_size --ep N
--moe_cluster_parallel_size --cluster_size N
--concurrency N
--streaming
--report_json N
--iteration_log N
--output_json N
--request_json N
--enable_chunked_context
--scheduler_policy N
--medusa_choices N
--custom_module_dirs N
--no_skip_tokenizer_init
"""

EVAL = """
--model N
--dataset_path N
--num_samples N
--num_fewshot N
--random_seed N
--apply_chat_template
--chat_template_kwargs N
--fewshot_as_multiturn
--system_prompt N
--max_input_length N
--max_output_length N
--check_accuracy
--accuracy_threshold N
"""
