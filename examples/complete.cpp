// Finishes a function: complete MODEL.gguf
#include <cstdio>

#include <r1.h>

int main(int argc, char** argv) {
  const auto model = r1::Model::from_pretrained(argc > 1 ? argv[1] : "r1-plus-mini");
  const r1::CodeCompletionPipeline complete(model);
  const auto answer =
      complete("def is_even(number):\n    return", {.max_tokens = 16, .stop = {"\n"}});
  std::printf("%s\n", answer.text.c_str());
}
