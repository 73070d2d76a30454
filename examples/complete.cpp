// Finishes a function: complete [MODEL.gguf [SHARE]]
#include <cstdio>
#include <stdexcept>

#include <r1.h>

int main(int argc, char** argv) try {
  const auto model = r1::Model::from_pretrained(argc > 1 ? argv[1] : "r1-plus-mini",
                                                {.share = argc > 2 ? argv[2] : ""});
  const r1::CodeCompletionPipeline complete(model);
  const auto answer =
      complete("def is_even(number):\n    return", {.max_tokens = 16, .stop = {"\n"}});
  std::printf("%s\n", answer.text.c_str());
} catch (const std::runtime_error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
