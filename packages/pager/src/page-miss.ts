import { NO_PAGE, type PageId } from "./page-id.ts";

/** The number of a slot of the buffer pool: an integer >= 0. */
export type Frame = number;

/**
 * Thrown by synchronous code that needs a page, free frames or a longer file, which are not there. Not an error:
 * whoever runs the attempt provides what is missing and runs it again from its start
 * (`Pager.attempt`). One object per pager, thrown again and again, without a stack: a miss costs
 * little beside the disk read that follows.
 */
export class PageMiss {
  /** The page to load, or `NO_PAGE` if frames or pages are missing. */
  pageId: PageId = NO_PAGE;
  /**
   * How many free frames are needed, if `pageId` is `NO_PAGE` and `pages` is 0. None means that
   * too many frames are dirty.
   */
  frames = 0;
  /** By how many pages the file has to grow, if `pageId` is `NO_PAGE`. */
  pages = 0;
}
