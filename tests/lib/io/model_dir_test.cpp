// Where a name leads, in stores put together here; and what half a download says.
#include "lib/io/model_dir.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using test::write_bytes;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";
const std::string kOther = "89abcdef0123456789abcdef0123456789abcdef";

class Home {
 public:
  ModelPlaces places() const {
    ModelPlaces p;
    p.environment["HOME"] = dir_.path().string();
    return p;
  }
  fs::path operator/(const std::string& name) const { return dir_ / name; }
  fs::path model(const std::string& name) const {
    return dir_ / (".cache/huggingface/hub/models--" + name);
  }
  // A file of a snapshot: a link into blobs/, which holds `bytes` unless they are to be missing.
  void put(const std::string& name, const std::string& file, const std::string& blob,
           bool whole = true, const std::string& commit = kCommit) const {
    if (whole) write_bytes(model(name) / "blobs" / blob, "x");
    fs::create_directories(model(name) / "snapshots" / commit);
    fs::create_symlink("../../blobs/" + blob, model(name) / "snapshots" / commit / file);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const ModelEntry& m : list_models(places())) out.push_back(m.name);
    return out;
  }

 private:
  test::TempDir dir_;
};
using Names = std::vector<std::string>;

TEST(ModelDir, WithoutAHomeNothingIsSearchedHere) {
  const test::TempDir dir;
  write_bytes(dir / ".cache/llama.cpp/here.gguf", "x");
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  const auto models = list_models({});
  fs::current_path(before);
  for (const ModelEntry& m : models) EXPECT_NE(m.name, "here");
}

TEST(ModelDir, AHuggingFaceModelIsItsMainSnapshot) {
  const Home home;
  home.put("org--a", "config.json", "1");
  home.put("org--a", "model.safetensors", "2");
  home.put("org--a", "config.json", "1", true, kOther);
  write_bytes(home.model("org--a") / "refs/main", kCommit + "\n");
  EXPECT_EQ(home.names(), Names{"org/a"});
  EXPECT_EQ(find_model("org/a", home.places()).filename(), kCommit);
  write_bytes(home.model("org--a") / "refs/v2", kOther);
  EXPECT_EQ(find_model("org/a@v2", home.places()).filename(), kOther);
  EXPECT_EQ(find_model("org/a@" + kOther, home.places()).filename(), kOther);
  EXPECT_FAILS(ErrorKind::model, "no Hugging Face cache has this revision",
               find_model("org/a@v3", home.places()));
  home.put("org--b", "a.gguf", "1");
  write_bytes(home.model("org--b") / "refs/main", std::string(5000, '0'));  // more than is read
  EXPECT_EQ(home.names(), (Names{"org/a", "org/b:a.gguf"}));
}

TEST(ModelDir, AGgufOfASnapshotIsNamedByItsFileOrItsType) {
  const Home home;
  home.put("org--a", "a-Q8_0.gguf", "1");
  EXPECT_EQ(find_model("org/a", home.places()).filename(), "a-Q8_0.gguf");
  home.put("org--a", "a-Q4_K_M.gguf", "2");
  EXPECT_EQ(home.names(), (Names{"org/a:a-Q4_K_M.gguf", "org/a:a-Q8_0.gguf"}));
  EXPECT_EQ(find_model("org/a:q4_k_m", home.places()).filename(), "a-Q4_K_M.gguf");
  EXPECT_EQ(find_model("org/a:a-Q8_0.gguf", home.places()).filename(), "a-Q8_0.gguf");
  EXPECT_FAILS(ErrorKind::model, "the nearest: org/a:a-", find_model("org/a", home.places()));
}

TEST(ModelDir, HalfADownloadSaysWhatCompletesIt) {
  const Home home;
  home.put("org--link", "config.json", "1");
  home.put("org--link", "model.safetensors", "2", false);
  home.put("org--twin", "config.json", "1");
  write_bytes(home.model("org--twin") / "blobs/2.incomplete", "x");
  home.put("org--shards", "config.json", "1");
  home.put("org--shards", "model-00001-of-00002.safetensors", "2");
  home.put("org--gguf", "m.gguf", "1", false);
  EXPECT_EQ(home.names(), Names{});
  for (const char* name : {"org/link", "org/twin", "org/shards"})
    EXPECT_FAILS(ErrorKind::truncated,
                 "is not whole: `hf download " + std::string(name) + "` completes it",
                 find_model(name, home.places()));
  EXPECT_FAILS(ErrorKind::truncated, "`hf download org/gguf m.gguf` completes it",
               find_model("org/gguf", home.places()));
}

TEST(ModelDir, WhatIsNotHereSaysWhatFetchesIt) {
  const Home home;
  const auto says = [&](const std::string& name) {
    return test::failure([&] { find_model(name, home.places()); });
  };
  EXPECT_TRUE(says("org/a").ends_with("; `hf download org/a` would fetch it"));
  EXPECT_TRUE(says("org/a@v3").ends_with("; `hf download org/a --revision v3` would fetch it"));
  EXPECT_TRUE(says("ollama:tiny:7b").ends_with("; `ollama pull tiny:7b` would fetch it"));
  EXPECT_TRUE(says("ollama:me/own").ends_with("; `ollama pull me/own` would fetch it"));
  for (const char* other :
       {"a", "org/a:q8_0", "org/a/b", "org/$(x)", "-o/a", "ollama:", "ollama:-x"})
    EXPECT_EQ(says(other).find("would fetch"), std::string::npos) << other;
  home.put("org--a", "a-Q8_0.gguf", "1");
  home.put("org--a", "a-Q4_K_M.gguf", "2");
  EXPECT_EQ(says("org/a").find("would fetch"), std::string::npos);
}

TEST(ModelDir, NoNameLeadsOutOfItsStore) {
  const Home home;
  write_bytes(home / "secret.gguf", "x");
  fs::create_directories(home.model("org--a") / "snapshots" / kCommit);
  fs::create_symlink(home / "secret.gguf", home.model("org--a") / "snapshots" / kCommit / "m.gguf");
  home.put("org--b", "m.gguf", "1", true, "../escape");  // a commit is 40 digits
  home.put("org--c\x1b[2J", "m.gguf", "1");              // a name is plain
  home.put("org--..", "m.gguf", "1");
  EXPECT_EQ(home.names(), Names{});
  for (const char* bad :
       {"org/a@../../x", "../a@main", "org//a@main", "org/a@", "@", "org/a@x\x1b"})
    EXPECT_NE(test::failure([&] { find_model(bad, home.places()); }), "nothing") << bad;
  EXPECT_FAILS(ErrorKind::model, "is no name of a model and a revision",
               find_model("org/a@../../x", home.places()));
  // A commit that a ref names is checked before it is a path.
  home.put("org--d", "config.json", "1");
  write_bytes(home.model("org--d") / "refs/main", "../../../../secret.gguf");
  EXPECT_EQ(find_model("org/d", home.places()).filename(), kCommit);
}

std::string manifest(const std::string& digest) {
  return R"({"layers":[{"mediaType":"application/vnd.ollama.image.license","digest":"sha256:00"},)"
         R"({"mediaType":"application/vnd.ollama.image.model","digest":")" +
         digest + "\"}]}";
}

TEST(ModelDir, OllamasManifestsNameBlobs) {
  const Home home;
  const std::string hex(64, 'a');
  const auto put = [&](const std::string& tag, const std::string& text) {
    write_bytes(home / (".ollama/models/manifests/registry.ollama.ai/" + tag), text);
  };
  write_bytes(home / (".ollama/models/blobs/sha256-" + hex), "x");
  put("library/tiny/7b", manifest("sha256:" + hex));
  put("me/own/latest", manifest("sha256:" + hex));
  put("library/half/7b", manifest("sha256:" + std::string(64, 'b')));
  put("library/out/1", manifest("sha256:../../x"));
  put("library/short/1", manifest("sha256:aa"));
  put("library/broken/1", "{");
  EXPECT_EQ(home.names(), (Names{"ollama:me/own:latest", "ollama:tiny:7b"}));
  EXPECT_EQ(find_model("ollama:tiny:7b", home.places()).filename(), "sha256-" + hex);
  EXPECT_FAILS(ErrorKind::truncated, "`ollama pull half:7b` completes it",
               find_model("ollama:half:7b", home.places()));
}

TEST(ModelDir, LlamaCppAndLmStudioAndFolders) {
  const Home home;
  write_bytes(home / ".cache/llama.cpp/org_a_q8.gguf", "x");
  write_bytes(home / ".cache/llama.cpp/half.gguf.downloadInProgress", "x");
  write_bytes(home / ".lmstudio/models/pub/mod/f.gguf", "x");
  write_bytes(home / "mine/m.gguf", "x");
  write_bytes(home / "mine/folder/config.json", "{}");
  write_bytes(home / "mine/folder/model.safetensors", "x");
  write_bytes(home / "mine/no_weights/config.json", "{}");
  write_bytes(home / "mine/empty.gguf", "");
  fs::create_symlink("nowhere", home / "mine/dangling.gguf");
  ModelPlaces places = home.places();
  places.model_path = {home / "mine"};
  Names names;
  for (const ModelEntry& m : list_models(places)) names.push_back(m.name);
  EXPECT_EQ(names, (Names{"folder", "m", "org_a_q8", "pub/mod:f.gguf"}));
  EXPECT_FAILS(ErrorKind::truncated, "download it again", find_model("half", places));
  EXPECT_FAILS(ErrorKind::truncated, "its link leads nowhere", find_model("dangling", places));
}

TEST(ModelDir, TheFirstPlaceThatHasANameHasIt) {
  const Home home;
  write_bytes(home / "mine/m.gguf", "x");
  write_bytes(home / ".cache/llama.cpp/m.gguf", "xx");
  ModelPlaces places = home.places();
  places.model_path = {home / "mine"};
  EXPECT_EQ(find_model("m", places), home / "mine/m.gguf");
  places.environment["LLAMA_CACHE"] = (home / "none").string();
  EXPECT_EQ(list_models(places).size(), 1u);
}

}  // namespace
}  // namespace r1
