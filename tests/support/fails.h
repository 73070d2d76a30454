#pragma once

#include <string>

#include <gtest/gtest.h>

#include "lib/base/error.h"

namespace r1::test {

// What `body` fails with: the code and the message, or "nothing".
template <typename Body>
std::string failure(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    return std::string(code(e.kind())) + ": " + e.what();
  }
  return "nothing";
}

}  // namespace r1::test

// The body fails with this kind and a message that holds this text.
#define EXPECT_FAILS(kind, text, body)                                             \
  do {                                                                             \
    const std::string why = ::r1::test::failure([&] { body; });                    \
    EXPECT_TRUE(why.starts_with(std::string(::r1::code(kind)) + ": ")) << why;     \
    EXPECT_NE(why.find(text), std::string::npos) << why << "\nwanted: " << (text); \
  } while (false)
