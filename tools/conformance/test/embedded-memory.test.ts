import { open } from "@kvs/query";
import { testSubject } from "./test-subject.ts";

testSubject({
  newStore: async () => ({
    database: "default",
    open: () => open(":memory:"),
    isLasting: false,
  }),
});
